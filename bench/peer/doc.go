// Package peer runs PocketBase, the nearest comparable server (one Go binary, the
// same SQLite driver), with the same shape of data as the product: tenants, a
// user in each, and projects that a rule shows to the users of their own tenant
// only.
//
// It is given every fairness that its configuration offers: an index that fits the
// list and no total counted. It keeps a log of requests as it comes, written behind
// the answers, which can be left out. Its durability is its own default,
// synchronous=NORMAL, which is less than the product promises: what it acknowledged
// in the last moments can be lost in a power cut.
package peer
