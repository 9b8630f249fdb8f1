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
// counts become events once a minute. At worst that is 341 events a minute, some
// 200 MB a day of it.
const (
	denialsOfUser    = 60  // a minute, of one user or API token's owner
	denialsOfAddress = 10  // a minute, of one address without a credential
	denialsOfAll     = 240 // a minute, together
	denialCounters   = 100 // for each there is an event; the rest shares one
)

// denials bounds and counts refusals.
type denials struct {
	mu      sync.Mutex
	minute  time.Time
	all     int
	written map[denialSource]int
	counts  map[denialCount]int64
	since   time.Time
}

// denialSource is whom a bound is for.
type denialSource struct {
	user    tenancy.ID
	address netip.Prefix
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
	if minute := now.Truncate(time.Minute); !minute.Equal(d.minute) || d.written == nil {
		d.minute, d.all, d.written = minute, 0, make(map[denialSource]int)
	}
	source, bound := denialSource{user: o.Actor.ID}, denialsOfUser
	if o.Actor.ID.IsZero() {
		source, bound = denialSource{address: network(o.Address)}, denialsOfAddress
	}
	if d.written[source] >= bound || d.all >= denialsOfAll {
		d.countLocked(o, denial, now)
		return false
	}
	d.written[source]++
	d.all++
	return true
}

func (d *denials) count(o audit.Origin, denial audit.Denial, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.countLocked(o, denial, now)
}

func (d *denials) countLocked(o audit.Origin, denial audit.Denial, now time.Time) {
	if d.counts == nil {
		d.counts, d.since = make(map[denialCount]int64), now
	}
	key := denialCount{audit.Origin{Actor: o.Actor, Tenant: o.Tenant, Address: o.Address}, denial.Tenant, denial.Action, denial.Object, denial.Reason}
	if o.Actor.ID.IsZero() {
		// Strangers choose whom they pretend to be: their address is what counts.
		key.tenant, key.object = installationChain, ""
		key.origin = audit.Origin{Address: network(o.Address).Addr()}
	}
	if _, ok := d.counts[key]; !ok && len(d.counts) >= denialCounters {
		key = denialCount{action: audit.AccessDeny, reason: "many_sources"}
	}
	d.counts[key]++
}

// take empties the counters.
func (d *denials) take() (counts map[denialCount]int64, since time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	counts, since = d.counts, d.since
	d.counts = nil
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
