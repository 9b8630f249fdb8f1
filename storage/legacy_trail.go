package storage

import (
	"errors"

	"maestro/audit"
	"maestro/tenancy"
)

// record tells both trails that the import begins or, by its report, has ended. Where
// the rows come from is the operator's to know.
func (i *legacyImport) record(report []LegacyTable) error {
	c, err := openOffline(i.Dir, writerPragmas)
	if err != nil {
		return err
	}
	err = transactOffline(c, i.Now(), func(tx *Tx) error {
		for _, chain := range []tenancy.ID{installationChain, i.tenant} {
			changes := audit.Updated().Note("stage", "begin")
			if report != nil {
				changes = audit.Updated().Note("stage", "end")
			}
			if chain == installationChain {
				changes.Note("source", i.sourceName())
			}
			for _, t := range report {
				changes.Count(t.Name, t.Imported).Count(t.Name+"_misfits", t.Misfits)
			}
			if err := tx.record(chain, audit.TenantImportLegacy, i.tenant.String(), changes); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, c.close())
}
