<#
.SYNOPSIS
    Builds the image and pushes it to gcr.io.
.EXAMPLE
    .\Publish-Image.ps1 -Tag 1.2.3 -Registry gcr.io/zephyr-erp
#>
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)] [string] $Tag,
    [string] $Registry = 'gcr.io/zephyr-erp',
    [string] $KeyFile = 'C:\build\secrets\gcr.json'
)

$ErrorActionPreference = 'Stop'

Write-Host "Logging in to gcr.io with $KeyFile"
Get-Content -Raw $KeyFile | docker login -u _json_key --password-stdin https://gcr.io
if ($LASTEXITCODE -ne 0) { throw "docker login to gcr.io failed" }

docker build -t "$Registry/web:$Tag" .\src\Web
docker push "$Registry/web:$Tag"

# docker push "eu.gcr.io/zephyr-erp/web:$Tag"
