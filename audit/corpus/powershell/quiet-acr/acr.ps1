$Registry = 'dunnage.azurecr.io'
az acr login --name dunnage
$images = Get-ChildItem -Path .\images -Directory
foreach ($i in $images) {
    docker build -t "$Registry/$($i.Name):latest" $i.FullName
    docker push "$Registry/$($i.Name):latest"
}
Write-Output "pushed $($images.Count) images"
