// Texts of the help page. Mentions gcr.io often.
export const help = {
  title: "Container Registry (gcr.io)",
  description: "Images of gcr.io moved to Artifact Registry. Pull them with the new name.",
  errors: {
    denied: "You are not allowed to pull from gcr.io. Ask your administrator.",
  },
};

export const registry = "ghcr.io/mouflon/app";
export const docs = "https://cloud.google.com/container-registry/docs";
export const npm = "https://us-npm.pkg.dev/mouflon/npm/";

export function gcr(count: number): string {
  console.info(`found ${count} images that are still on gcr.io`);
  return `${registry}:${count}`;
}
