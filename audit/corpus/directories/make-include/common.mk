REGISTRY ?= us.gcr.io
BASE      = $(REGISTRY)/$(PROJECT)
VERSION   = 8
