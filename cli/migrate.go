package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"maestro/migrations"
	"maestro/problem"
	"maestro/storage"
)

// migrateCommand is for the data directory of a server that is stopped. The server
// itself goes up when it starts.
func (a *app) migrateCommand() *cobra.Command {
	c := a.group("migrate", "Show and change the version of a stopped server's database", a.migrateStatus(), a.migrateUp(), a.migrateDown(), a.migrateTo())
	c.Long = "A server brings an older database up to its own version when it starts. These commands do it without starting one, and bring\n" +
		"a database down for an older version of Maestro. Down and up again brings back every row: what the older schema has no place\n" +
		"for is kept beside it. A migration works on a copy, so whatever stops it, the database is the old one or the new one; the old\n" +
		"file stays in the data directory's snapshots. While a server runs they end with 75."
	return c
}

// migrationRow is one line of the status.
type migrationRow struct {
	migrations.Migration
	Applied bool
}

var migrationColumns = []column[migrationRow]{
	{name: "version", value: func(m *migrationRow) any { return m.Version }},
	{name: "name", value: func(m *migrationRow) any { return m.Name }},
	{name: "applied", value: func(m *migrationRow) any { return m.Applied }},
}

func (a *app) migrateStatus() *cobra.Command {
	c := &cobra.Command{Use: "status", Short: "List the migrations, and which are applied", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.onStoppedData(cmd, func(dir string) error {
				state, err := storage.InspectSchema(cmd.Context(), dir)
				if err != nil {
					return err
				}
				list, err := migrations.List()
				if err != nil {
					return err
				}
				rows := make([]migrationRow, len(list))
				for i, m := range list {
					rows[i] = migrationRow{Migration: m, Applied: m.Version <= state.Version}
				}
				if err := printList(a.out, a.form, migrationColumns, rows); err != nil {
					return err
				}
				for name, count := range state.Kept {
					a.note("%s keeps %d rows that this version of the schema has no place for.", name, count)
				}
				if newest := migrations.Newest(); state.Version > newest {
					return &migrations.NewerSchemaError{Database: state.Version, Known: newest, Dir: dir}
				}
				return nil
			})
		}}
	a.addDataFlags(c)
	return c
}

func (a *app) migrateUp() *cobra.Command {
	c := &cobra.Command{Use: "up", Short: "Bring the database to this program's version", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.migrate(cmd, func(int64) (int64, error) { return migrations.Newest(), nil })
		}}
	a.addDataFlags(c)
	return c
}

func (a *app) migrateDown() *cobra.Command {
	c := &cobra.Command{Use: "down", Short: "Bring the database down by one migration", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.migrate(cmd, func(current int64) (int64, error) {
				list, err := migrations.List()
				if err != nil {
					return 0, err
				}
				below := int64(0)
				for _, m := range list {
					if m.Version < current {
						below = m.Version
					}
				}
				if below == 0 {
					return 0, problem.New(problem.Conflict, "The database has schema version %d: there is none below.", current)
				}
				return below, nil
			})
		}}
	a.addDataFlags(c)
	return c
}

func (a *app) migrateTo() *cobra.Command {
	c := &cobra.Command{Use: "to VERSION", Short: "Bring the database to a version, up or down", Args: cobra.ExactArgs(1),
		Example: "  maestro migrate to 4 --data /var/lib/maestro",
		RunE: func(cmd *cobra.Command, args []string) error {
			version, err := strconv.ParseInt(args[0], 10, 64)
			list, failure := migrations.List()
			if failure != nil {
				return failure
			}
			known := false
			for _, m := range list {
				known = known || m.Version == version
			}
			if err != nil || !known {
				return usage(fmt.Sprintf("there is no schema version %s; maestro migrate status lists them", args[0]))
			}
			return a.migrate(cmd, func(int64) (int64, error) { return version, nil })
		}}
	a.addDataFlags(c)
	return c
}

// requireInstallation answers not-found for a directory without a database.
func requireInstallation(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "maestro.db")); errors.Is(err, fs.ErrNotExist) {
		return problem.New(problem.NotFound, "There is no installation in %s.", dir)
	}
	return nil
}

// onStoppedData calls do with the data directory, locked, so that no server has it.
func (a *app) onStoppedData(cmd *cobra.Command, do func(dir string) error) (err error) {
	dir, err := a.dataDir(cmd)
	if err != nil {
		return err
	}
	if err := requireInstallation(dir); err != nil {
		return err
	}
	lock, err := storage.LockDir(dir)
	if err != nil {
		return fmt.Errorf("%w: stop the server first", err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	return do(dir)
}

func (a *app) migrate(cmd *cobra.Command, target func(current int64) (int64, error)) error {
	return a.onStoppedData(cmd, func(dir string) error {
		state, err := storage.InspectSchema(cmd.Context(), dir)
		if err != nil {
			return err
		}
		version, err := target(state.Version)
		if err != nil {
			return err
		}
		shown := &migrationProgress{app: a}
		done, err := storage.Migrate(cmd.Context(), storage.MigrateOptions{Dir: dir, Version: version, Progress: shown.say})
		shown.end()
		if err != nil {
			return err
		}
		if done.From == done.To {
			a.note("The database has schema version %d already.", done.To)
			return nil
		}
		a.note("The database went from schema version %d to %d. The old one is kept as %s.", done.From, done.To, done.Snapshot)
		return nil
	})
}

// migrationProgress shows a bar for each table that a migration works on.
type migrationProgress struct {
	app  *app
	at   string
	done int64
	bar  *progress
}

func (m *migrationProgress) say(p migrations.Progress) {
	at := p.Name + ": " + p.Table
	if at != m.at {
		m.end()
		m.at, m.done, m.bar = at, 0, m.app.showProgress(at, p.Total, false)
	}
	m.bar.add(int(p.Done - m.done))
	m.done = p.Done
}

func (m *migrationProgress) end() {
	if m.bar != nil {
		m.bar.end()
	}
}
