<?php

declare(strict_types=1);

namespace Serow\Deploy;

/**
 * Deploys eu.gcr.io/serow-cms/site.
 */
final class Recipe
{
    private const IMAGE = 'eu.gcr.io/serow-cms/site';
    private string $php = "gcr.io/google-appengine/php72:latest";

    // docker login https://eu.gcr.io
    public function push(string $tag): void
    {
        exec('gcloud auth configure-docker --quiet');
        exec("docker push " . self::IMAGE . ":{$tag}", $out, $rc);
        if ($rc !== 0) {
            throw new \RuntimeException("push to eu.gcr.io failed");
        }
        # gcr.io/serow-cms/old is not pushed any more
        echo "pushed to eu.gcr.io\n";
    }
}
