import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";

// Registry in the EU (eu.gcr.io)
const project = new pulumi.Config("gcp").require("project");

const registry = new gcp.container.Registry("eu", { location: "EU" });

new gcp.storage.BucketIAMMember("pull", {
  bucket: `eu.artifacts.${project}.appspot.com`,
  role: "roles/storage.objectViewer",
  member: "serviceAccount:nodes@burdock.iam.gserviceaccount.com",
}, { dependsOn: registry });

const api = new gcp.projects.Service("registry", { service: "containerregistry.googleapis.com" });

export const image = pulumi.interpolate`eu.gcr.io/${project}/site:latest`;

const pool = new gcp.container.NodePool("workers", {
  cluster: "main",
  nodeConfig: {
    oauthScopes: [
      "https://www.googleapis.com/auth/devstorage.read_only",
      "https://www.googleapis.com/auth/monitoring",
    ],
  },
});
