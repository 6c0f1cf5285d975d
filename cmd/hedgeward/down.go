// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/instance"
	"github.com/hedgeward/hedgeward/internal/statedir"
)

func downCommand(st *state) *cobra.Command {
	var purge bool
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Remove the instances and the enforcement of this installation from the machine",
		Long: "Remove every namespace, link and pin that this installation made on the machine, and say which.\n" +
			"Devices of others that interfaces were attached to are open from then on; it names them.\n\n" +
			"The state folder stays: the next up makes the instances anew. --purge removes it as well.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := mustBeRoot("down"); err != nil {
				return err
			}
			return down(cmd.Context(), st, purge)
		},
	}
	cmd.Flags().BoolVar(&purge, "purge", false, "also remove the state folder with everything that the API holds")
	return cmd
}

func down(ctx context.Context, st *state, purge bool) error {
	release, err := st.lock()
	if errors.Is(err, statedir.ErrHeld) {
		return fmt.Errorf("%w; stop that process first (Ctrl-C)", err)
	}
	if err != nil {
		return err
	}
	defer release()
	// The devices before the programs on them.
	removed, err := instance.Own{Netns: instance.NewNetns(instance.Config{StateDir: st.dir})}.Remove(ctx)
	errs := []error{err}
	open, err := datapath.Foreign(st.pins())
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot say which devices of others are open from now on:", err)
	}
	unpinned, err := datapath.Remove(st.pins())
	errs = append(errs, err)
	removed = append(removed, unpinned...)
	for _, i := range open {
		fmt.Printf("opened %s, where %s was enforced\n", i.Device, i.ID)
	}
	if purge && errors.Join(errs...) == nil {
		errs = append(errs, os.RemoveAll(st.dir))
		removed = append(removed, "folder "+st.dir)
	}
	for _, r := range removed {
		fmt.Println("removed", r)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if len(removed) == 0 {
		fmt.Println("There is nothing to remove.")
	}
	return nil
}
