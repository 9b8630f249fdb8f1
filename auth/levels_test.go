package auth

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestEveryLevelEndsATokenAlone revokes at every combination of the five levels:
// a token is dead as soon as one of them says so, whatever the others say.
func TestEveryLevelEndsATokenAlone(t *testing.T) {
	levels := []struct {
		name string
		end  func(w *world, p *Principal) error
	}{
		{"token", func(w *world, p *Principal) error {
			_, err := w.service.revocations.Revoke(w.ctx, UserKey{p.Tenant, p.User}, Revocation{RevokedToken, p.Credential, p.ExpiresAt})
			return err
		}},
		{"session", func(w *world, p *Principal) error {
			_, err := w.service.revocations.Revoke(w.ctx, UserKey{p.Tenant, p.User}, Revocation{RevokedSession, p.Session, p.ExpiresAt})
			return err
		}},
		{"user", func(w *world, p *Principal) error {
			return w.store.EndUserSessions(w.ctx, UserSessionsEnd{Key: UserKey{p.Tenant, p.User}, Reason: EndedByUser, Now: w.service.now()})
		}},
		{"tenant", func(w *world, p *Principal) error {
			return w.store.EndTenantSessions(w.ctx, p.Tenant, EndedCollapse, w.service.now())
		}},
		{"installation", func(w *world, _ *Principal) error { return w.service.RevokeEverything(w.ctx) }},
	}
	w := newWorld(t)
	w.user(w.globex, "bob@example.com", RoleViewer)
	for combination := range 1 << len(levels) {
		grant := w.login("ada@example.com")
		p := w.principal(grant.AccessToken)
		bystander := w.login("bob@example.com")
		names := ""
		for i, level := range levels {
			if combination>>i&1 == 1 {
				must(t, level.end(w, p))
				names += level.name + " "
			}
		}
		if combination == 0 {
			w.mustLive("nothing revoked", grant.AccessToken)
		} else {
			w.mustBeDead(names, grant.AccessToken)
		}
		if combination>>4&1 == 0 {
			w.mustLive("a user of another tenant, after "+names, bystander.AccessToken)
		}
		w.mustLive("a login after "+names, w.login("ada@example.com").AccessToken)
		w.clock.pass(2 * time.Hour) // the revocations are swept, so that the next ones fit
		w.service.Maintain(w.ctx)
	}
}

// TestNoLookupAfterTheAnswerSaysLive looks up what was acknowledged while others
// are revoked and swept: no lookup that begins after the acknowledgement may see
// the token live.
func TestNoLookupAfterTheAnswerSaysLive(t *testing.T) {
	s := newShelf(t)
	s.unsynced = true
	s.reopen()
	const revocations, readers = 500, 4
	ids := someIDs(revocations)
	expires := s.clock.Now().Add(15 * time.Minute)
	var acknowledged atomic.Int64
	var group sync.WaitGroup
	var lookups atomic.Int64
	for reader := range readers {
		group.Go(func() {
			for i := reader; ; i += 7919 {
				known := acknowledged.Load()
				if known == revocations {
					return
				}
				if known == 0 {
					continue
				}
				lookups.Add(1)
				latest, any := known-1, int64(i)%known
				if s.verdict(ids[latest], expires) != VerdictRevoked || s.verdict(ids[any], expires) != VerdictRevoked {
					t.Errorf("one of the %d revocations that were acknowledged is not in effect", known)
					return
				}
			}
		})
	}
	sweeping, stop := context.WithCancel(t.Context())
	group.Go(func() {
		for sweeping.Err() == nil {
			if _, err := s.Sweep(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	for _, id := range ids {
		_, err := s.Revoke(t.Context(), newUser(), Revocation{RevokedSession, id, expires.Unix()})
		must(t, err)
		acknowledged.Add(1)
	}
	stop()
	group.Wait()
	if lookups.Load() < revocations/10 {
		t.Errorf("only %d lookups in %d revocations: the test did not test", lookups.Load(), revocations)
	}
}
