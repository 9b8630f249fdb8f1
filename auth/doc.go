// Package auth owns identity: passwords, tokens, the key ring, sessions,
// revocations, roles and permissions, and the throttle on logins.
//
// Invariants:
//   - One verifier. Every surface asks Service.Authenticate; no other code reads
//     a token. A verified signature may be remembered; expiry, revocation,
//     epochs, the state of user and tenant, and permissions are looked at anew
//     at every request.
//   - A refusal is durable before it is acknowledged, and when something cannot
//     be looked up the answer is "unavailable", never "not revoked".
//   - Authority is compared by integers (epochs), never by times.
//   - What is kept at rest of a secret is a hash. A secret never reaches a log,
//     an error or the audit trail.
//   - tenancy.Issue is called here and by the store's background work only.
//
// It reaches the database through Store, which it declares and storage
// implements, and must never know SQL or HTTP.
package auth
