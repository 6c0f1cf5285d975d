// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/hedgeward/hedgeward/instance"
)

func execCommand() *cobra.Command {
	return &cobra.Command{
		Use:                   "exec INSTANCE -- COMMAND [ARGUMENT...]",
		Short:                 "Run a command inside an instance and end with its status",
		Args:                  cobra.MinimumNArgs(2),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := mustBeRoot("exec"); err != nil {
				return err
			}
			// The command shares the terminal and so its Ctrl-C: it decides what that
			// means, and its status is waited for.
			ctx := context.WithoutCancel(cmd.Context())
			code, err := instance.Exec(ctx, args[0], args[1:], os.Stdin, os.Stdout, os.Stderr)
			if errors.Is(err, instance.ErrNotFound) {
				return fmt.Errorf("instance %s does not run on this machine; aws ec2 describe-instances lists instances and their states", args[0])
			}
			if err != nil {
				return err
			}
			if code != 0 {
				return exitError(code)
			}
			return nil
		},
	}
}
