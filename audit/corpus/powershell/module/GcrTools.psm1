$script:Hosts = @('gcr.io', 'us.gcr.io')
$script:Base = "mirror.gcr.io/library/nginx:1.25"

function Initialize-Docker {
    & gcloud auth configure-docker --quiet
    Write-Verbose 'configured docker for gcr.io'
}

function Get-ImageName {
    param([string] $Project, [string] $Name, [string] $Tag = 'latest')
    return "us.gcr.io/$Project/${Name}:$Tag"
}

function Copy-ToArtifactRegistry {
    param([string] $Image)
    $target = "us-central1-docker.pkg.dev/anvil-games/legacy/$Image"
    docker tag (Get-ImageName -Project anvil-games -Name $Image) $target
    docker push $target
}

Export-ModuleMember -Function *
