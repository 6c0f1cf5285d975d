// SPDX-License-Identifier: Apache-2.0

package main

import (
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/hedgeward/hedgeward/attach"
	"github.com/hedgeward/hedgeward/attach/libvirt"
)

// libvirtCommand is the hook that libvirt runs (packaging/libvirt/qemu).
func libvirtCommand(st *state) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "libvirt-hook GUEST OPERATION SUB-OPERATION EXTRA",
		Short: "Have the interfaces of a libvirt domain enforced: run by libvirt",
		Long: "Have the interfaces of a libvirt domain enforced before it starts, and give them up when it has ended (docs/libvirt.md).\n\n" +
			"libvirt runs it with the domain's XML on standard input. A status other than 0 keeps the domain from starting.",
		Args: cobra.RangeArgs(3, 4),
		RunE: func(cmd *cobra.Command, args []string) error {
			h := libvirt.Hook{Client: &attach.Client{Socket: st.attachSocket()}, All: all, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
			return h.Run(cmd.Context(), args[1], args[2], cmd.InOrStdin())
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "keep domains from starting that have interfaces and name none of them for hedgeward")
	return cmd
}
