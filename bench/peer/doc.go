// Package peer runs PocketBase, the nearest comparable server (one Go binary, the
// same SQLite driver), with the same shape of data as the product: tenants, a
// user in each, and projects that a rule shows to the users of their own tenant
// only.
//
// It is given every fairness that its configuration offers: an index that fits the
// list and no total counted. Its log of requests, which it keeps by itself and
// writes behind the answers, can be left out: reading is compared without it, for
// the product keeps none of that, and creating with it and without, for the product
// writes an event of each change with the change. Its durability is its own default,
// synchronous=NORMAL, which is less than the product promises: what it acknowledged
// in the last moments can be lost in a power cut.
package peer
