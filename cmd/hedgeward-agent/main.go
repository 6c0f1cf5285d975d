// SPDX-License-Identifier: Apache-2.0

// Command hedgeward-agent is what runs on a host of an installation with servers
// elsewhere: it becomes a host (join), makes the instances that are placed on it and
// enforces their interfaces (run), has interfaces enforced at devices that somebody
// else made (attach, detach, list, libvirt-hook), says how it is doing (status), and takes all of it
// away (down). Each of these is one file; what they share is the state folder (state.go) and the socket in it
// (socket.go).
//
// It wires other packages together and knows no rule of theirs. It links neither
// store nor API: what it links is in packages.txt, which a test keeps true.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/hedgeward/hedgeward/streaming"
)

// version is set by the linker for releases.
var version = "development"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "hedgeward-agent:", err)
		os.Exit(1)
	}
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "hedgeward-agent",
		Short:         "Makes and enforces the instances of one host",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	var st state
	cmd.PersistentFlags().StringVar(&st.dir, "state", defaultState, "folder that holds everything to be kept")
	cmd.CompletionOptions.HiddenDefaultCmd = true
	cmd.AddCommand(attachCommands(&st)...)
	cmd.AddCommand(streaming.Command(st.home))
	cmd.AddCommand(libvirtCommand(&st), joinCommand(&st), runCommand(&st), statusCommand(&st), downCommand(&st))
	return cmd
}
