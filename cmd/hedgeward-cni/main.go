// SPDX-License-Identifier: Apache-2.0

// Command hedgeward-cni is a CNI plugin that is chained behind the one that makes a
// container's interface: it has that interface enforced by security groups before
// the container starts (docs/cni.md). It makes no device, no address and no route; it
// asks the host's agent at its local socket (package attach), holds no credentials
// and keeps no file: what it must know again is in the claims that the agent lists.
//
// Each command of the protocol is a file: add.go, del.go (with GC), check.go (with
// STATUS); config.go reads what they are given, and far.go finds the host's end of a
// container's interface. What the program links is in packages.txt, which a test
// keeps true.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/containernetworking/cni/pkg/skel"
	spec "github.com/containernetworking/cni/pkg/version"
)

// version is set by the linker for releases.
var version = "development"

// spoken are the versions of the CNI specification that the plugin speaks.
var spoken = spec.PluginSupports("0.4.0", "1.0.0", "1.1.0")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	on := func(do func(context.Context, *skel.CmdArgs) error) func(*skel.CmdArgs) error {
		return func(args *skel.CmdArgs) error { return do(ctx, args) }
	}
	refused := skel.PluginMainFuncsWithError(
		skel.CNIFuncs{Add: on(add), Del: on(del), Check: on(check), GC: on(collect), Status: on(status)},
		spoken, "CNI plugin hedgeward-cni "+version+": security groups at a container's interface",
	)
	stop()
	if refused != nil {
		if err := refused.Print(); err != nil {
			fmt.Fprintln(os.Stderr, "hedgeward-cni: answer:", err)
		}
		os.Exit(1)
	}
}
