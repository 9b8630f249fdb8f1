package storage

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"maestro/audit"
	"maestro/tenancy"
)

func idOf(n int) (id tenancy.ID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n)+1)
	return id
}

// refusedUser is the n-th user of a tenant, and what it is refused.
func refusedUser(tenant tenancy.ID, n int) (audit.Origin, audit.Denial) {
	return audit.Origin{Actor: tenancy.Actor{ID: idOf(n), Kind: tenancy.ActorUser}, Tenant: tenant, Address: netip.MustParseAddr("192.0.2.1")},
		audit.Denial{Tenant: tenant, Action: audit.AccessDeny, Object: "deleteProject", Reason: "forbidden"}
}

// strange is the n-th address that fails to log in as somebody of a tenant.
func strange(tenant tenancy.ID, n int) (audit.Origin, audit.Denial) {
	return audit.Origin{Address: netip.AddrFrom4([4]byte{198, 51, byte(n >> 8), byte(n)})},
		audit.Denial{Tenant: tenant, Action: audit.SessionOpen, Object: idOf(n).String(), Reason: "wrong_password"}
}

// admittedOf returns how many of n refusals are events of their own.
func admittedOf(d *denials, n int, now time.Time, of func(n int) (audit.Origin, audit.Denial)) (events int) {
	for i := range n {
		if o, denial := of(i); d.admit(o, denial, now) {
			events++
		}
	}
	return events
}

// TestAFloodInOneTenantHidesNothingInAnother has the users of one tenant refused
// without end, in as many ways as there are.
func TestAFloodInOneTenantHidesNothingInAnother(t *testing.T) {
	s := openStore(t)
	loud, quiet := newTenant(t, s, "loud"), newTenant(t, s, "quiet")
	refuse := func(tenant *Tenant, n int) {
		origin, denial := refusedUser(tenant.scope.Tenant(), n)
		s.RecordDenial(audit.WithOrigin(background, &origin), denial)
	}
	for n := range 500 {
		refuse(loud, n)
	}
	before := len(installationEvents(t, s))
	for range denialsOfUser + 5 {
		refuse(quiet, 7)
	}
	refuse(quiet, 8)
	if err := s.storeDenials(background); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		tenant        *Tenant
		events, total int
	}{{quiet, denialsOfTenant + 2, denialsOfUser + 6}, {loud, denialsOfTenant + tenantCounters + 1, 500}} {
		denied := events(t, test.tenant, EventFilter{Outcome: audit.Denied})
		total, rest := 0, 0
		for _, e := range denied {
			n := 1
			if _, after, ok := strings.Cut(string(e.After), `"count":`); ok {
				if _, err := fmt.Sscanf(after, "%d", &n); err != nil {
					t.Fatal(err)
				}
			}
			if total += n; strings.Contains(string(e.After), "many_sources") {
				rest = n
			}
		}
		if len(denied) != test.events || total != test.total {
			t.Errorf("%d events of %d refusals, want %d of %d", len(denied), total, test.events, test.total)
		}
		if want := max(test.total-denialsOfTenant-tenantCounters, 0); rest != want {
			t.Errorf("%d are from many sources, want %d", rest, want)
		}
	}
	if after := installationEvents(t, s); len(after) != before {
		t.Errorf("the installation's trail has %s", after[len(after)-1].After)
	}
	wantSound(t, s)
}

func TestStrangersUseUpNoTenantsBounds(t *testing.T) {
	var d denials
	now := time.Unix(1_700_000_000, 0)
	loud, quiet := idOf(1000), idOf(1001)
	if n := admittedOf(&d, 500, now, func(n int) (audit.Origin, audit.Denial) { return strange(loud, n) }); n != denialsOfTenant {
		t.Errorf("%d events of logins to the loud tenant, want %d", n, denialsOfTenant)
	}
	if n := admittedOf(&d, 50, now, func(n int) (audit.Origin, audit.Denial) { return strange(quiet, n) }); n != 50 {
		t.Errorf("%d events of 50 logins to the quiet tenant", n)
	}
	if n := admittedOf(&d, 500, now, func(n int) (audit.Origin, audit.Denial) { return strange(tenancy.ID{}, n) }); n != denialsOfOthers-denialsOfTenant-50 {
		t.Errorf("%d events of logins to no tenant", n)
	}
	if n := admittedOf(&d, 100, now, func(n int) (audit.Origin, audit.Denial) { return refusedUser(loud, n) }); n != denialsOfTenant {
		t.Errorf("%d events of the loud tenant's own users, want %d", n, denialsOfTenant)
	}
	counts, _ := d.take()
	if n := len(counts); n != otherCounters+1+tenantCounters+1 {
		t.Errorf("%d counters", n)
	}
}

// TestDenialsTakeBoundedMemory refuses users of more tenants than there are
// bounds for, minute after minute, while nothing that was counted is written.
func TestDenialsTakeBoundedMemory(t *testing.T) {
	var d denials
	now := time.Unix(1_700_000_000, 0)
	for minute := range 3 {
		for tenant := range 3 * deniedTenants {
			at := now.Add(time.Duration(minute) * time.Minute)
			admittedOf(&d, 100, at, func(n int) (audit.Origin, audit.Denial) { return refusedUser(idOf(1000*(minute+1)+tenant), n) })
		}
		kept := len(d.others.written) + len(d.others.counts)
		for _, ledger := range d.tenants {
			kept += len(ledger.written) + len(ledger.counts)
		}
		if most := denialsOfOthers + otherCounters + 1 + deniedTenants*(denialsOfTenant+tenantCounters+1); len(d.tenants) > deniedTenants || kept > most {
			t.Fatalf("%d tenants and %d sources are kept, want at most %d", len(d.tenants), kept, most)
		}
	}
	counts, since := d.take()
	if most := otherCounters + 1 + deniedTenants*(tenantCounters+1); len(counts) > most || !since.Equal(now) {
		t.Errorf("%d counters since %v, want at most %d since %v", len(counts), since, most, now)
	}
	next := idOf(9999)
	if n := admittedOf(&d, 100, now.Add(time.Hour), func(n int) (audit.Origin, audit.Denial) { return refusedUser(next, n) }); n != denialsOfTenant || len(d.tenants) != 1 {
		t.Errorf("%d events of a new tenant, %d tenants are tracked", n, len(d.tenants))
	}
}
