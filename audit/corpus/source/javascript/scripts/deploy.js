#!/usr/bin/env node
'use strict';

const { execSync, spawnSync } = require('child_process');

const CONFIG = {
  projectId: process.env.GCP_PROJECT_ID || 'potoroo-shop',
  region: 'us-central1',
  containerRegistry: 'gcr.io',
};

/* docker push gcr.io/potoroo-shop/site */
function run(cmd) {
  console.log(`$ ${cmd}`);
  execSync(cmd, { stdio: 'inherit' });
}

const image = `${CONFIG.containerRegistry}/${CONFIG.projectId}/site`;
run(`docker build -t ${image} .`);
run('gcloud auth configure-docker -q');
run(`docker push ${image}`);
run(`gcloud run deploy site --image ${image} --region ${CONFIG.region}`);
const probe = spawnSync('docker', ['run', '--rm', 'gcr.io/potoroo-shop/probe:2', image]);
if (probe.status !== 0) {
  console.error('probe failed; does gcr.io/potoroo-shop/probe exist?');
  process.exit(1);
}
