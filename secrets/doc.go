// Package secrets reads a secret from where a reference says that it is: a file,
// the environment, a systemd credential, HashiCorp Vault (or OpenBao, which speaks
// the same) or AWS Secrets Manager.
//
// Invariants:
//   - No value, token or key is in an error. What another server says is not
//     repeated either, because it may repeat what it was sent.
//   - Nothing is contacted that the Config does not name: no proxy of the
//     environment, no redirect, no metadata service, no default credentials.
//   - A server is believed only with a certificate that verifies, and over TLS
//     only, but on this machine's own loopback.
//   - Every read ends: a try, all tries together, an answer and a value have
//     bounds.
//   - A file that everybody on the machine may read holds no secret.
//
// It must never write anything, keep a value longer than its Reader, nor know what
// a secret is for.
package secrets
