// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"
)

// probeTimeout is how long a probe waits before it calls a packet lost: longer
// than the one second after which TCP sends a lost SYN again.
const probeTimeout = 1500 * time.Millisecond

// What a probe prints, one word a line.
const (
	probeReady = "ready" // a listener listens
	probeOpen  = "open"  // a connection was made, or an exchange answered
	probeShut  = "shut"  // nothing came back
)

// probeCommand is the other half of demo: the programs that run inside
// instances. It is hidden because it is of no use by itself.
func probeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "probe", Short: "Listen and connect inside an instance, for demo", Hidden: true}
	cmd.AddCommand(
		&cobra.Command{
			Use: "listen ADDRESS...", Short: "Send everything that TCP connections bring back to them, until killed", Args: cobra.MinimumNArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error { return probeListen(cmd.Context(), args) },
		},
		&cobra.Command{
			Use: "dial ADDRESS", Short: "Print open if a TCP connection can be made, else shut", Args: cobra.ExactArgs(1),
			RunE: func(_ *cobra.Command, args []string) error {
				conn, err := net.DialTimeout("tcp", args[0], probeTimeout)
				if err != nil {
					fmt.Println(probeShut)
					return nil
				}
				fmt.Println(probeOpen)
				return conn.Close()
			},
		},
		&cobra.Command{
			Use: "talk ADDRESS", Short: "Keep one TCP connection; for each line read, send it and print open if it comes back, else shut", Args: cobra.ExactArgs(1),
			RunE: func(_ *cobra.Command, args []string) error { return probeTalk(args[0], os.Stdin) },
		},
	)
	return cmd
}

func probeListen(ctx context.Context, addresses []string) error {
	for _, address := range addresses {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		defer l.Close()
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return // closed: the process ends
				}
				go func() {
					defer conn.Close()
					io.Copy(conn, conn)
				}()
			}
		}()
	}
	fmt.Println(probeReady)
	<-ctx.Done()
	return nil
}

func probeTalk(address string, lines io.Reader) error {
	conn, err := net.DialTimeout("tcp", address, probeTimeout)
	if err != nil {
		fmt.Println(probeShut)
		return nil
	}
	defer conn.Close()
	fmt.Println(probeOpen)
	back := bufio.NewReader(conn)
	said := bufio.NewScanner(lines)
	for said.Scan() {
		if err := probeExchange(conn, back, said.Text()); err != nil {
			fmt.Println(probeShut)
			continue
		}
		fmt.Println(probeOpen)
	}
	return said.Err()
}

// probeExchange sends a line and waits until it has come back.
func probeExchange(conn net.Conn, back *bufio.Reader, line string) error {
	if err := conn.SetDeadline(time.Now().Add(probeTimeout)); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(conn, line); err != nil {
		return err
	}
	answer, err := back.ReadString('\n')
	if err == nil && answer != line+"\n" {
		err = errors.New("something else came back")
	}
	return err
}
