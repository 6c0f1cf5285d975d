// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/instance"
)

func downCommand(st *state) *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Remove the instances and the enforcement of this agent from the machine",
		Long: "Remove every namespace, link and pin that this agent made on the machine, and say which.\n\n" +
			"The state folder stays, and the host stays what it is to the servers: the next run makes everything anew.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			release, err := st.lock(cmd.Context())
			if err != nil {
				return err
			}
			defer release()
			// The devices before the programs on them.
			removed, err := instance.Own{Netns: instance.NewNetns(instance.Config{StateDir: st.dir})}.Remove(cmd.Context())
			open, unread := datapath.Foreign(st.pins())
			if unread != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), "cannot say which devices of others are open from now on:", unread)
			}
			unpinned, unpinErr := datapath.Remove(st.pins())
			removed = append(removed, unpinned...)
			for _, i := range open {
				fmt.Fprintf(cmd.OutOrStdout(), "opened %s, where %s was enforced\n", i.Device, i.ID)
			}
			for _, r := range removed {
				fmt.Fprintln(cmd.OutOrStdout(), "removed", r)
			}
			if len(removed) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "There is nothing to remove.")
			}
			return errors.Join(err, unpinErr)
		},
	}
}
