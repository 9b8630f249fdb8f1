// Package peer runs PocketBase, the nearest comparable server (one Go binary, the
// same SQLite driver), with the same shape of data as the product: tenants, a
// user in each, and projects that a rule shows to the users of their own tenant
// only.
//
// It is given every fairness that its configuration offers: an index that fits the
// list and no total counted. As it comes it keeps a log of requests, written behind
// the answers; Serve can leave it out. Its durability is its own default,
// synchronous=NORMAL, which is less than the product promises: what it acknowledged
// in the last moments can be lost in a power cut.
package peer
