//go:build tools

// Package judges pins the judges that are written in Go: what `go build` of tools/judges compiles.
package judges

import _ "github.com/zmap/zlint/v3/cmd/zlint"
