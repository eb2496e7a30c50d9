/**
 * Names of images. Everything is in us.gcr.io/cuscus-prod, see README.
 */
import * as k8s from "@pulumi/kubernetes";

export const registry = process.env.REGISTRY ?? "us.gcr.io/cuscus-prod";

const proxy = 'gcr.io/cloudsql-docker/gce-proxy:1.33.1';
// const proxy = "gcr.io/cuscus-prod/proxy";

export function image(name: string, tag = "latest"): string {
  if (!name) {
    throw new Error(`no name given, expected us.gcr.io/cuscus-prod/NAME`);
  }
  return `${registry}/${name}:${tag}`;
}

export const jobs = ["eu.gcr.io/cuscus-eu/mail:1", "ghcr.io/cuscus/mail:1"].map(
  (ref) => new k8s.batch.v1.Job(ref.split("/").pop()!, {
    spec: { template: { spec: { containers: [{ name: "main", image: ref }], restartPolicy: "Never" } } },
  }),
);

console.log("images come from us.gcr.io");
console.warn(`gcr.io will go away; ${jobs.length} jobs use it`);
