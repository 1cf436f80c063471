//go:build tools

// Package tools names the programs of other people's that this module is there to build.
package tools

import _ "github.com/summerwind/h2spec/cmd/h2spec"
