// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func waitCommand(st *state) *cobra.Command {
	return &cobra.Command{
		Use:   "wait",
		Short: "Return when everything answered so far is in force",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var revision int64
			err := st.ask(cmd.Context(), "POST", "/wait", &revision)
			if errors.Is(err, errNotRunning) {
				return fmt.Errorf("no server runs on %s, so nothing new comes into force; run: hedgeward up", st.dir)
			}
			if err != nil {
				return err
			}
			fmt.Println("revision", revision, "is in force")
			return nil
		},
	}
}
