// Job DSL: one folder per team, one multibranch job per repository.
def teams = [
    'search' : ['indexer', 'query'],
    'billing': ['invoice', 'dunning'],
]

teams.each { team, repos ->
    folder(team) {
        description "Jobs of team ${team}. Images are in gcr.io/tallgrass-${team}."
    }
    repos.each { repo ->
        multibranchPipelineJob("${team}/${repo}") {
            branchSources {
                git {
                    id("${team}-${repo}")
                    remote("https://git.tallgrass.example/${team}/${repo}.git")
                    credentialsId('git-reader')
                }
            }
            orphanedItemStrategy { discardOldItems { numToKeep(5) } }
        }
    }
}
