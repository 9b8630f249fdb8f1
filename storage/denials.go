package storage

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"maestro/audit"
	"maestro/tenancy"
)

// Bounds of what refusals write, so that nobody fills the disk by being refused.
// Within them each is an event of its own; what is beyond is counted, and the
// counts become events once a minute. A tenant's bounds are its own, so that its
// flood hides nothing of another's. At worst, when members of 64 tenants are all
// refused without end, that is 4885 events a minute, some 3 GB a day; strangers
// cause 341 of them, and one tenant 71.
const (
	denialsOfUser    = 60 // a minute, of one user or API token's owner
	denialsOfAddress = 10 // a minute, of one address without a credential

	denialsOfTenant = 60 // a minute, of a tenant's users; and of strangers that would be one
	tenantCounters  = 10 // for each there is an event; the rest of the tenant shares one
	deniedTenants   = 64 // have bounds of their own at once; the others are with the strangers

	denialsOfOthers = 240 // a minute, of strangers, operators and the other tenants, together
	otherCounters   = 100 // for each there is an event; the rest shares one
)

// denials bounds and counts refusals.
type denials struct {
	mu      sync.Mutex
	minute  time.Time
	others  denialLedger
	tenants map[tenancy.ID]*denialLedger
	since   time.Time // when the first of the counts was; zero: there are none
}

// denialLedger is what was written and counted of those who share bounds.
type denialLedger struct {
	all     int
	written map[denialSource]int // twice as many as all at most
	counts  map[denialCount]int64
}

// denialSource is whom a bound is for.
type denialSource struct {
	user    tenancy.ID
	address netip.Prefix
	tenant  tenancy.ID // that strangers would be of
}

// denialCount is what is counted together.
type denialCount struct {
	origin         audit.Origin // without the request, and the credential
	tenant         tenancy.ID
	action         audit.Action
	object, reason string
}

// admit reports whether a refusal is within the bounds; what is not is counted.
func (d *denials) admit(o audit.Origin, denial audit.Denial, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.beginLocked(now)
	ledger := d.ledgerLocked(o, denial)
	most := denialsOfTenant
	if ledger == &d.others {
		most = denialsOfOthers
	}
	source, bound, aimed := denialSource{user: o.Actor.ID}, denialsOfUser, denialSource{}
	if o.Actor.ID.IsZero() {
		source, bound, aimed = denialSource{address: network(o.Address)}, denialsOfAddress, denialSource{tenant: denial.Tenant}
	}
	if ledger.written[source] >= bound || ledger.all >= most || aimed.tenant != installationChain && ledger.written[aimed] >= denialsOfTenant {
		d.countLocked(ledger, o, denial, now)
		return false
	}
	if ledger.written == nil {
		ledger.written = make(map[denialSource]int)
	}
	ledger.written[source]++
	if aimed.tenant != installationChain {
		ledger.written[aimed]++
	}
	ledger.all++
	return true
}

func (d *denials) count(o audit.Origin, denial audit.Denial, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.beginLocked(now)
	d.countLocked(d.ledgerLocked(o, denial), o, denial, now)
}

// beginLocked begins a minute, without the tenants that have nothing to be written.
func (d *denials) beginLocked(now time.Time) {
	minute := now.Truncate(time.Minute)
	if minute.Equal(d.minute) {
		return
	}
	d.minute, d.others.all, d.others.written = minute, 0, nil
	for tenant, ledger := range d.tenants {
		ledger.all, ledger.written = 0, nil
		if len(ledger.counts) == 0 {
			delete(d.tenants, tenant)
		}
	}
}

// ledgerLocked returns the ledger of the tenant whose user was refused, or the one
// of all others: strangers do not choose whose bounds they use up.
func (d *denials) ledgerLocked(o audit.Origin, denial audit.Denial) *denialLedger {
	if o.Actor.ID.IsZero() || denial.Tenant == installationChain {
		return &d.others
	}
	ledger := d.tenants[denial.Tenant]
	if ledger == nil {
		if len(d.tenants) >= deniedTenants {
			return &d.others
		}
		if d.tenants == nil {
			d.tenants = make(map[tenancy.ID]*denialLedger)
		}
		ledger = new(denialLedger)
		d.tenants[denial.Tenant] = ledger
	}
	return ledger
}

func (d *denials) countLocked(ledger *denialLedger, o audit.Origin, denial audit.Denial, now time.Time) {
	if d.since.IsZero() {
		d.since = now
	}
	key := denialCount{audit.Origin{Actor: o.Actor, Tenant: o.Tenant, Address: o.Address}, denial.Tenant, denial.Action, denial.Object, denial.Reason}
	if o.Actor.ID.IsZero() {
		// Strangers choose whom they pretend to be: their address is what counts.
		key.tenant, key.object = installationChain, ""
		key.origin = audit.Origin{Address: network(o.Address).Addr()}
	}
	rest, most := denialCount{tenant: denial.Tenant, action: audit.AccessDeny, reason: "many_sources"}, tenantCounters
	if ledger == &d.others {
		rest.tenant, most = installationChain, otherCounters
	}
	if _, ok := ledger.counts[key]; !ok && len(ledger.counts) >= most {
		key = rest
	}
	if ledger.counts == nil {
		ledger.counts = make(map[denialCount]int64)
	}
	ledger.counts[key]++
}

// take empties the counters.
func (d *denials) take() (counts map[denialCount]int64, since time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	counts, since = d.others.counts, d.since
	if counts == nil {
		counts = make(map[denialCount]int64)
	}
	d.others.counts, d.since = nil, time.Time{}
	for _, ledger := range d.tenants {
		for key, n := range ledger.counts {
			counts[key] += n // a tenant's may be among the others', too
		}
		ledger.counts = nil
	}
	return counts, since
}

// network is what one client has of addresses: an IPv6 client may choose among
// those of its /64.
func network(address netip.Addr) netip.Prefix {
	bits := address.BitLen()
	if bits == 128 {
		bits = 64
	}
	prefix, _ := address.Prefix(bits) // of no address: none
	return prefix
}

// RecordDenial records that somebody was refused, as an event of its own or as one
// more of many. It returns when that is on disk. A failure is logged: the refusal
// stands all the same.
func (s *Store) RecordDenial(ctx context.Context, d audit.Denial) {
	origin := audit.Origin{}
	if o := audit.OriginOf(ctx); o != nil {
		origin = *o
	}
	if !s.denials.admit(origin, d, s.now()) {
		return
	}
	ctx = audit.WithOrigin(context.WithoutCancel(ctx), &origin)
	if err := s.writeDenial(ctx, d, audit.Created().Note("reason", d.Reason)); err != nil {
		s.log.Error("a refusal is not in the audit trail", "action", d.Action, "reason", d.Reason, "error", err)
	}
}

// CountDenial counts a refusal of a sort that a client may cause at any rate, by
// address.
func (s *Store) CountDenial(ctx context.Context, d audit.Denial) {
	if o := audit.OriginOf(ctx); o != nil {
		s.denials.count(*o, d, s.now())
	}
}

// storeDenials writes what was counted.
func (s *Store) storeDenials(ctx context.Context) error {
	counts, since := s.denials.take()
	var errs []error
	for key, n := range counts {
		from := tenancy.TimeOf(since)
		changes := audit.Created().Note("reason", key.reason).Count("count", n).Time("since", nil, &from)
		denial := audit.Denial{Tenant: key.tenant, Action: key.action, Object: key.object}
		errs = append(errs, s.writeDenial(audit.WithOrigin(ctx, &key.origin), denial, changes))
	}
	return errors.Join(errs...)
}

func (s *Store) writeDenial(ctx context.Context, d audit.Denial, changes *audit.Changes) error {
	return s.writer.do(ctx, d.Tenant, func(tx *Tx) error {
		tenant := d.Tenant
		if tenant != installationChain {
			there, err := tx.exists(selectTenantThere, tenant)
			if err != nil {
				return err
			}
			if !there {
				tenant = installationChain
			}
		}
		return tx.writeEvent(tenant, &audit.Event{Action: d.Action, Object: d.Object, Outcome: audit.Denied}, changes)
	})
}
