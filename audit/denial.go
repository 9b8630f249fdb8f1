package audit

import "maestro/tenancy"

// Denial is a refusal that belongs in a trail. Who asked, and from where, is in the
// context.
type Denial struct {
	Tenant tenancy.ID // whose trail; zero for the installation's
	Action Action     // what was refused
	Object string     // of the action; the operation for AccessDeny
	Reason string     // a word
}
