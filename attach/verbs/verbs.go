// SPDX-License-Identifier: Apache-2.0

// Package verbs is the commands that speak to the local attach socket, for every
// program that has them: attach, detach and list. They never touch a device or the
// store themselves. Programs of this module add them to their own commands.
package verbs

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hedgeward/hedgeward/attach"
)

// Attach returns the command that has an interface enforced at a device. client is
// asked when it runs.
func Attach(client func() *attach.Client) *cobra.Command {
	var r attach.Request
	var eni string
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "attach --interface DEVICE (--eni ENI | --subnet SUBNET)",
		Short: "Enforce an interface at a device that exists already",
		Long: "Enforce an interface at a tap, a veth or a NIC that somebody else made, and return when it is in force.\n\n" +
			"With --eni the interface is one that exists; with --subnet it is made, and goes when it is detached.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c := client()
			c.Wait = wait
			var i *attach.Interface
			var err error
			switch {
			case r.Device == "" || (eni == "") == (r.Subnet == ""):
				return errors.New("say which device and which interface: --interface tap0 --eni eni-…, or --subnet subnet-… for a new one")
			case eni != "":
				i, err = c.Attach(cmd.Context(), eni, r)
			default:
				i, err = c.AttachNew(cmd.Context(), r)
			}
			if err != nil {
				return err
			}
			if i.State != attach.Enforced {
				fmt.Printf("%s is claimed for %s, which is %s\n", i.ENI, i.Device, i.State)
				return nil
			}
			fmt.Printf("%s is enforced at %s, revision %d\n", i.ENI, i.Device, i.Revision)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.Device, "interface", "", "the device (required)")
	f.StringVar(&eni, "eni", "", "the network interface")
	f.StringVar(&r.MAC, "mac", "", "MAC address of the far end; by default it uses the interface's, or with --own the device's stands")
	f.BoolVar(&r.Own, "own", false, "the device is a NIC of this host itself: what leaves by it comes from the interface")
	f.BoolVar(&r.Expect, "expect", false, "the device may come later")
	f.StringVar(&r.Subnet, "subnet", "", "make an interface in this subnet")
	f.StringSliceVar(&r.Groups, "groups", nil, "its groups, by id or name; by default the default group of the VPC")
	f.StringSliceVar(&r.Addresses, "addresses", nil, "its addresses; by default a free one")
	f.StringVar(&r.Description, "description", "", "its description")
	f.DurationVar(&wait, "wait", attach.DefaultWait, "how long to wait for it to be in force")
	return cmd
}

// Detach returns the command that gives an interface up.
func Detach(client func() *attach.Client) *cobra.Command {
	var eni, device string
	cmd := &cobra.Command{
		Use:   "detach (--eni ENI | --interface DEVICE)",
		Short: "Stop enforcing an interface at a device: it is open from then on, as its maker had it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (eni == "") == (device == "") {
				return errors.New("say which interface: --eni eni-…, or --interface tap0")
			}
			c := client()
			if eni == "" {
				i, err := c.At(cmd.Context(), device)
				if err != nil {
					return err
				}
				if i == nil {
					return fmt.Errorf("no interface is attached to %s on this host", device)
				}
				eni = i.ENI
			}
			if err := c.Detach(cmd.Context(), eni); err != nil {
				return err
			}
			fmt.Println(eni, "is detached")
			return nil
		},
	}
	cmd.Flags().StringVar(&eni, "eni", "", "the network interface")
	cmd.Flags().StringVar(&device, "interface", "", "the device")
	return cmd
}

// List returns the command that shows what is attached, under the name use.
func List(use string, client func() *attach.Client) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   use,
		Short: "Show the interfaces that are attached to devices of this host",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := client().List(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(os.Stdout)
				enc.SetIndent("", "  ")
				return enc.Encode(all)
			}
			return list(os.Stdout, all)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return cmd
}

func list(out io.Writer, all []attach.Interface) error {
	if len(all) == 0 {
		fmt.Fprintln(out, "No interface is attached to a device of this host.")
		return nil
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "DEVICE\tINTERFACE\tADDRESSES\tMAC\tSTATE\tREVISION\tEXPOSED\tFOR")
	for _, i := range all {
		device := i.Device
		if i.Own {
			device += " (own)"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", device, i.ENI, strings.Join(i.Addresses, " "), i.MAC, i.State, i.Revision, i.Exposed, cmp.Or(i.For, "-"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, i := range all {
		if i.Detail != "" {
			fmt.Fprintf(out, "%s: %s\n", i.Device, i.Detail)
		}
	}
	return nil
}
