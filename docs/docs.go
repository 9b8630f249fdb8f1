// Package docs holds the manual, which ships inside the binary: `maestro docs`
// prints it.
package docs

import "embed"

// Pages are the manual's pages, in Markdown.
//
//go:embed *.md
var Pages embed.FS
