//go:build tools

// Package prometheus names the programs that are built from the locked module. Helm 4 is one of them, because it uses the
// same version of the libraries of Kubernetes, which are then compiled once.
package prometheus

import (
	_ "github.com/prometheus/prometheus/cmd/prometheus"
	_ "github.com/prometheus/prometheus/cmd/promtool"
	_ "helm.sh/helm/v4/cmd/helm"
)
