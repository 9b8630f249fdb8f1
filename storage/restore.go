package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"filippo.io/age"

	"maestro/audit"
	"maestro/auth"
	"maestro/problem"
	"maestro/tenancy"
)

// RestoreOptions says how a backup becomes a data directory.
type RestoreOptions struct {
	Identities []age.Identity   // secret keys, for an encrypted backup
	Now        func() time.Time // time.Now unless set

	// KeepAPITokens keeps the API tokens. Some of them may have been deleted since
	// the backup, which nobody can know any more, so they go unless this is set.
	KeepAPITokens bool

	// KeepHooks keeps the hooks, likewise. What was signed before the restore is
	// refused then: what came since the backup is not remembered any more.
	KeepHooks bool
}

// RestoreReport says what a restore did.
type RestoreReport struct {
	BackupReport
	Directory string `json:"directory"`
	Previous  string `json:"previous,omitempty"`     // where the old directory is now; empty when there was none
	APITokens int64  `json:"api_tokens_deleted"`     // that were deleted
	Hooks     int64  `json:"hooks_deleted"`          // that were deleted
	Links     int64  `json:"one_time_links_deleted"` // that were deleted
}

// Restore makes a backup the data directory dir. It unpacks and checks everything
// in a directory beside dir and only then gives it the name; a directory that is
// there already is renamed, never removed. It fails with a *LockedError while a
// process uses that.
//
// Nothing that was revoked after the backup comes back: the global epoch rises
// above any that was ever current, which ends every session and token; the
// signing keys go, which makes them unreadable as well; one-time links go, and API
// tokens and hooks unless they are kept.
func Restore(ctx context.Context, name, dir string, o RestoreOptions) (report RestoreReport, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return report, err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return report, diskError(err)
	}
	staging, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+".restoring-*") // 0700
	if err != nil {
		return report, diskError(err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(staging)) }() // nothing is left once it has its name
	report.Directory = dir
	if report.BackupReport, err = unpack(ctx, name, o.Identities, staging, true); err != nil {
		return report, err
	}
	if err := os.MkdirAll(filepath.Join(staging, blobsName), 0o700); err != nil {
		return report, diskError(err)
	}
	if err := endWhatWasValid(ctx, staging, o, &report); err != nil {
		return report, fmt.Errorf("end the sessions of the restored directory: %w", err)
	}
	if err := syncTree(staging); err != nil {
		return report, diskError(err)
	}
	report.Previous, err = swapDir(staging, dir, o.Now())
	return report, err
}

const (
	selectIdentityTable = `SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'installation'`
	selectAuditTable    = `SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'audit_events'`
	deleteAllLinks      = `DELETE FROM links`
	deleteAllAPITokens  = `DELETE FROM api_tokens`

	selectHookTable = `SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'hooks'`
	deleteAllHooks  = `DELETE FROM hooks`

	// A hook of a directory that was restored before has its row already.
	countRestored = `UPDATE hooks SET remembered = remembered + 1 WHERE NOT EXISTS
		(SELECT 1 FROM hook_deliveries d WHERE d.tenant_id = hooks.tenant_id AND d.hook_id = hooks.id AND d.digest = $1)`
	markRestored = `INSERT INTO hook_deliveries (tenant_id, hook_id, digest, received_at) SELECT tenant_id, id, $1, $2 FROM hooks WHERE true
		ON CONFLICT DO UPDATE SET received_at = excluded.received_at`
)

// endWhatWasValid makes every credential that the backup knows invalid.
func endWhatWasValid(ctx context.Context, dir string, o RestoreOptions, report *RestoreReport) error {
	if err := auth.DropSigningKeys(filepath.Join(dir, "keys")); err != nil {
		return err
	}
	c, err := openOffline(dir, writerPragmas)
	if err != nil {
		return err
	}
	err = c.queryRow(selectIdentityTable, nil, func(row) {})
	if errors.Is(err, errNoRow) {
		return c.close() // of a version that had no logins
	}
	if err == nil {
		err = endIn(c, o, report)
	}
	return errors.Join(err, c.close())
}

func endIn(c *conn, o RestoreOptions, report *RestoreReport) error {
	if _, err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	before, err := installation(c)
	if err != nil {
		return err
	}
	if _, err := c.exec(raiseGlobalEpoch, max(before.GlobalEpoch+1, o.Now().Unix())); err != nil {
		return err
	}
	if report.Links, err = c.exec(deleteAllLinks); err != nil {
		return err
	}
	if !o.KeepAPITokens {
		if report.APITokens, err = c.exec(deleteAllAPITokens); err != nil {
			return err
		}
	}
	if err := endHooks(c, o, report); err != nil {
		return err
	}
	if err := recordRestore(c, o, report); err != nil {
		return err
	}
	_, err = c.exec("COMMIT")
	return err
}

// endHooks deletes the hooks, or has those that are kept refuse what was signed
// before the restore.
func endHooks(c *conn, o RestoreOptions, report *RestoreReport) error {
	there, err := c.exists(selectHookTable)
	if err != nil || !there {
		return err
	}
	if !o.KeepHooks {
		report.Hooks, err = c.exec(deleteAllHooks)
		return err
	}
	if _, err := c.exec(countRestored, restoredMark); err != nil {
		return err
	}
	_, err = c.exec(markRestored, restoredMark, tenancy.TimeOf(o.Now()))
	return err
}

// recordRestore adds the restore to the installation's audit trail, if the backup is
// of a version that had one.
func recordRestore(c *conn, o RestoreOptions, report *RestoreReport) error {
	if there, err := c.exists(selectAuditTable); err != nil || !there {
		return err
	}
	tx := &Tx{conn: c, Now: tenancy.TimeOf(o.Now()), trail: newTrail()}
	changes := audit.Updated().Count("links_deleted", report.Links).Count("api_tokens_deleted", report.APITokens).Count("hooks_deleted", report.Hooks)
	if err := tx.record(installationChain, audit.InstallationRestore, "", changes); err != nil {
		return err
	}
	return tx.trail.save(c)
}

// syncTree puts the names in a directory and in those below it on disk.
func syncTree(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		return syncIn(root, name)
	})
	return errors.Join(err, root.Close())
}

// swapDir gives the new directory its name and returns what the old one, if there
// is any, is called now.
func swapDir(staging, dir string, now time.Time) (previous string, err error) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return "", diskError(err)
	case len(entries) == 0:
		if err := os.Remove(dir); err != nil {
			return "", notReplaceable(dir, err)
		}
	default:
		lock, err := LockDir(dir)
		if err != nil {
			return "", err
		}
		if runtime.GOOS == "windows" { // where nothing with an open file can be renamed
			err = lock.Unlock()
		} else {
			defer func() { _ = lock.Unlock() }() // the file says nothing any more
		}
		previous = dir + ".before-restore-" + now.UTC().Format("20060102T150405Z")
		if _, taken := os.Lstat(previous); err == nil && taken == nil {
			err = problem.New(problem.Conflict, "%s exists.", previous)
		}
		if err == nil {
			err = os.Rename(dir, previous)
		}
		if err != nil {
			return "", notReplaceable(dir, err)
		}
	}
	if err := os.Rename(staging, dir); err != nil {
		if previous != "" {
			err = errors.Join(err, os.Rename(previous, dir))
		}
		return "", notReplaceable(dir, err)
	}
	return previous, syncParent(dir)
}

func notReplaceable(dir string, err error) error {
	return fmt.Errorf("%s cannot be replaced, and is as it was: restore to a directory that does not exist (a mount point cannot be renamed): %w", dir, err)
}
