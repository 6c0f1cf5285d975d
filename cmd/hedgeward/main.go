// SPDX-License-Identifier: Apache-2.0

// Command hedgeward is the product: the server of one machine (up), what an
// operator asks of it (status, wait, why, quota, exec, down), and a demonstration of what it
// promises (demo). Each command is one file; what they share is the state folder
// (state.go) and the control socket in it (socket.go).
//
// It wires the other packages together and knows no rule of theirs: what a call
// means is control's, what a packet meets is the datapath's.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/hedgeward/hedgeward/streaming"
)

// version is set by the linker for releases.
var version = "development"

// started is when this process began, as far as it can tell.
var started = time.Now()

// exitError ends the process with a status of the command's own choosing and
// without a message.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the process at once
	err := root().ExecuteContext(ctx)
	stop()
	var code exitError
	switch {
	case err == nil:
	case errors.As(err, &code):
		os.Exit(int(code))
	default:
		fmt.Fprintln(os.Stderr, "hedgeward:", err)
		os.Exit(1)
	}
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "hedgeward",
		Short:         "EC2 security groups, enforced on this machine",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,

		PersistentPreRunE: fromEnvironment,
	}
	var st state
	cmd.PersistentFlags().StringVar(&st.dir, "state", defaultState, "folder that holds everything to be kept")
	cmd.CompletionOptions.HiddenDefaultCmd = true
	cmd.AddCommand(upCommand(&st), serverCommand(&st), sealKeyCommand(), storeCommand(&st), downCommand(&st), statusCommand(&st), flowsCommand(&st), rulesCommand(&st), waitCommand(&st), whyCommand(&st), quotaCommand(&st), accessCommand(&st), hostCommand(&st), execCommand(), demoCommand(&st), probeCommand(), streaming.Command(st.home))
	cmd.AddCommand(attachCommands(&st)...)
	return cmd
}
