// Package cli is the program's commands: it reads the configuration, wires the
// rooms into a running server (Appliance), and speaks to a running server through
// its API, with the client that any other program could use.
//
// Invariants:
//   - Data goes to standard output and nothing else does; progress and prompts go
//     to standard error, progress only when that is a terminal.
//   - A secret is never an argument, because arguments are seen by every process
//     of the machine, and never printed, but for those made for the caller.
//   - A token is sent only to the server that gave it.
//   - Every way to end has its exit code (exit.go).
package cli
