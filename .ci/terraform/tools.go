//go:build tools

// Package terraform names the program that is built from the locked module.
package terraform

import _ "github.com/hashicorp/terraform"
