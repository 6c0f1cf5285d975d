// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hedgeward/hedgeward/internal/localhttp"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/store"
)

// storeCommand copies, backs up and restores everything that an installation
// knows.
func storeCommand(st *state) *cobra.Command {
	var c cluster
	cmd := &cobra.Command{
		Use:   "store",
		Short: "Copy, back up and restore everything that the API holds",
		Long: "Without --etcd-endpoints the store is the embedded one in the state folder, otherwise that cluster's.\n" +
			"Secrets are sealed in all copies: keep the key file (secret.key, --seal-key) as well, and elsewhere.",
	}
	c.persistentFlags(cmd)
	cmd.AddCommand(
		&cobra.Command{
			Use: "backup FILE", Short: "Write everything to a file, also while servers run", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error { return backupTo(cmd.Context(), st, &c, args[0]) },
		},
		&cobra.Command{
			Use: "restore FILE", Short: "Fill an empty store from a backup; no server may run on it", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error { return restoreFrom(cmd.Context(), st, &c, args[0]) },
		},
		&cobra.Command{
			Use: "copy", Short: "Fill an empty etcd cluster from the embedded store; no server may run on either", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return copyOut(cmd.Context(), st, &c) },
		})
	return cmd
}

func (c *cluster) persistentFlags(cmd *cobra.Command) { c.flags(cmd.PersistentFlags()) }

// use opens a store for f and closes it. Nobody else may work on an embedded one
// meanwhile.
func (c *cluster) use(ctx context.Context, st *state, f func(*store.Store) error) (err error) {
	if !c.external() {
		release, err := st.lock()
		if err != nil {
			return err
		}
		defer release()
	}
	within, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	s, err := c.open(within, st, (&serving{}).logger())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return f(s)
}

// backupTo writes a backup to a new file, whole or not at all.
func backupTo(ctx context.Context, st *state, c *cluster, path string) (err error) {
	next := path + ".new"
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = localhttp.ErrNobody
	if !c.external() {
		err = st.backup(ctx, f)
	}
	if errors.Is(err, localhttp.ErrNobody) {
		err = c.use(ctx, st, func(s *store.Store) error { _, err := model.Backup(ctx, s, f); return err })
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	sum, err := check(next)
	if err != nil { // as when the server ended in the middle
		return errors.Join(err, os.Remove(next))
	}
	if err := os.Rename(next, path); err != nil {
		return err
	}
	fmt.Printf("%s holds %d entries, as of revision %d.\n", path, sum.Entries, sum.Revision)
	return nil
}

// check reads a backup to its end.
func check(path string) (model.Summary, error) {
	f, err := os.Open(path)
	if err != nil {
		return model.Summary{}, err
	}
	defer f.Close()
	return model.CheckBackup(f)
}

func restoreFrom(ctx context.Context, st *state, c *cluster, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := model.CheckBackup(f); err != nil { // before a store is made for it
		return fmt.Errorf("%s: %w", path, err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return c.use(ctx, st, func(s *store.Store) error {
		sum, err := model.Restore(ctx, s, f, time.Now())
		if err == nil {
			fmt.Printf("%d entries are restored, as of revision %d. Start servers with the key file that belongs to them.\n", sum.Entries, sum.Revision)
		}
		return err
	})
}

// copyOut moves an installation from its own store to a cluster.
func copyOut(ctx context.Context, st *state, c *cluster) error {
	if !c.external() {
		return errors.New("say where to: --etcd-endpoints https://HOST:2379,…")
	}
	if _, err := os.Stat(st.store()); err != nil {
		return fmt.Errorf("there is no embedded store to copy: %w; say which with --state", err)
	}
	var own cluster
	return own.use(ctx, st, func(from *store.Store) error {
		return c.use(ctx, st, func(to *store.Store) error {
			sum, err := model.Copy(ctx, from, to)
			if err == nil {
				fmt.Printf("%d entries are copied, as of revision %d, and were read back as they are.\nStart servers with --seal-key %s, the same file on each.\n",
					sum.Entries, sum.Revision, st.keyFile())
			}
			return err
		})
	})
}

// Backup implements operator.
func (in *installation) Backup(ctx context.Context, to io.Writer) error {
	_, err := model.Backup(ctx, in.store, to)
	return err
}

// serveBackup adds backups to the control socket. One that fails half-way ends
// without its last line, which whoever reads it misses.
func serveBackup(mux *http.ServeMux, op operator) {
	mux.HandleFunc("GET /backup", func(w http.ResponseWriter, r *http.Request) {
		if err := op.Backup(r.Context(), w); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
}

// backup asks the process that serves the state folder for a backup.
func (s *state) backup(ctx context.Context, to io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://hedgeward/backup", nil)
	if err != nil {
		return err
	}
	resp, err := s.send(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(resp.Body, maxOrder))
		return errors.Join(refusal(strings.TrimSpace(string(text))), err)
	}
	_, err = io.Copy(to, resp.Body)
	return err
}
