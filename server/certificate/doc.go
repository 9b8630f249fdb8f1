// Package certificate is where the server's TLS certificate comes from: two files
// that are followed as they change, a local authority that the installation makes
// for itself, or an ACME directory.
//
// Invariants:
//   - Once a certificate is served, a file that is unreadable, half written,
//     expired or that does not fit its key changes nothing but the log.
//   - A private key is written with mode 0600 and is never logged or printed.
//   - The local authority can vouch only for the names and private addresses that
//     it was made for (RFC 5280, section 4.2.1.10), so that whoever trusts it does
//     not trust it for the rest of the world.
//   - No connection is opened but to the ACME directory that the settings name, and
//     to the addresses that it gives.
package certificate
