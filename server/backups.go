package server

import (
	"context"
	"net/http"

	"maestro/audit"
	"maestro/auth"
	"maestro/storage"
)

func (s *Server) backupRoutes() {
	const tag = "installation"
	handle(s, route{method: http.MethodGet, path: "/system/backups", access: auth.Operator, id: "listBackups", tag: tag,
		summary: "List the backups in the data directory, the newest first",
		text:    "With the one that is being made, and the last one if it failed."}, s.listBackups)
	handle(s, route{method: http.MethodPost, path: "/system/backups", access: auth.Operator, id: "startBackup", tag: tag, status: http.StatusAccepted,
		summary: "Make a backup in the data directory",
		text:    "It is made in the background, read again and checked; the list tells how it goes. While one is made another is refused with conflict. Which are kept is a setting of the server."}, s.startBackup)
}

func (s *Server) listBackups(_ context.Context, in *PageParams) (*listOutput[storage.Backup], error) {
	backups, err := s.backups.List(in.page(""))
	if err != nil {
		return nil, err
	}
	return &listOutput[storage.Backup]{Body: newList(backups)}, nil
}

type startBackupOutput struct{ Body storage.Backup }

func (s *Server) startBackup(ctx context.Context, _ *struct{}) (*startBackupOutput, error) {
	backup, err := s.backups.Start()
	if err != nil {
		return nil, err
	}
	return &startBackupOutput{Body: backup}, s.store.Record(ctx, audit.BackupStart, backup.Name, nil)
}
