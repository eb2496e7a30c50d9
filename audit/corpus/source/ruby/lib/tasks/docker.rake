# frozen_string_literal: true

# rake docker:push pushes to gcr.io
namespace :docker do
  registry = ENV.fetch('REGISTRY', 'gcr.io/wombat-rails')
  image = "#{registry}/web:#{`git rev-parse --short HEAD`.strip}"

  desc 'Build the image for gcr.io'
  task :build do
    sh 'docker', 'build', '-t', image, '--build-arg', 'BASE=gcr.io/wombat-rails/ruby:3.2', '.'
  end

  desc 'Push the image'
  task push: :build do
    puts "Pushing #{image} to gcr.io"
    sh 'gcloud docker -- push ' + image
  end

  task :login do
    raise 'no key for gcr.io' unless File.exist?('key.json')
    system("docker login -u _json_key --password-stdin https://gcr.io < key.json") || abort('login to gcr.io failed')
  end
end
=begin
docker pull gcr.io/wombat-rails/old
=end
