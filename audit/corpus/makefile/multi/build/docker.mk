ARCHES := amd64 arm64
STAGING := gcr.io/k8s-staging-widget
BASE_amd64 := k8s.gcr.io/build-image/debian-base-amd64:v2.1.0
BASE_arm64 := k8s.gcr.io/build-image/debian-base-arm64:v2.1.0

define image_rule
image-$(1):
	docker buildx build --platform linux/$(1) \
		--build-arg BASE=$$(BASE_$(1)) \
		--build-arg GOBASE=gcr.io/distroless/static:latest \
		-t $$(STAGING)/widget-$(1):$$(TAG) .
endef

$(foreach arch,$(ARCHES),$(eval $(call image_rule,$(arch))))

manifest: $(addprefix image-,$(ARCHES))
	docker manifest create --amend $(STAGING)/widget:$(TAG) $(foreach a,$(ARCHES),$(STAGING)/widget-$(a):$(TAG))
	# docker manifest push gcr.io/google_containers/widget
	docker manifest push --purge $(STAGING)/widget:$(TAG)
