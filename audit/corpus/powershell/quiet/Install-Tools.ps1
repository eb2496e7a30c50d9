# Installs what developers need. (No gcr.io access from laptops!)
$tools = @('git', 'docker-desktop', 'kubernetes-cli')
foreach ($tool in $tools) { choco install $tool -y }

$GCR_TOKEN = Read-Host -AsSecureString 'Token for the graph report (GCR)'
docker pull ghcr.io/crucible/dev:latest
docker pull mcr.microsoft.com/dotnet/sdk:8.0

<#
docker pull gcr.io/crucible/dev:latest
#>
Write-Host 'Images of gcr.io are copied to ghcr.io every night.' -ForegroundColor Green
