// Package embed holds what a browser is served: the API browser, and the web UI
// as it is built.
//
// Everything is inside the binary and loads nothing from elsewhere. The package
// only holds files; the server decides how they are served.
package embed
