// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// accessCommand is everything about who may do what. Each of its commands is one
// order to the server.
func accessCommand(st *state) *cobra.Command {
	a := &accessCLI{st: st}
	cmd := &cobra.Command{
		Use:   "access",
		Short: "Accounts, users, access keys, policies and roles",
		Long: "Who may do what. Changes hold from the next call on.\n\n" +
			"Every account is born with the policy AdministratorAccess, which allows everything; a user without policies may do nothing.",
	}
	cmd.PersistentFlags().StringVar(&a.order.Account, "account", "", "account that it is about; the first one if not given, for lists all of them")
	cmd.PersistentFlags().BoolVar(&a.asJSON, "json", false, "print the answer as JSON")
	group := func(use, short string, commands ...*cobra.Command) {
		c := &cobra.Command{Use: use, Short: short}
		c.AddCommand(commands...)
		cmd.AddCommand(c)
	}
	group("account", "Owners of resources, apart from each other in everything",
		a.command("create [ID]", "Make an account; the id is 12 digits, picked if not given", 0, 1, &a.order.Name),
		a.command("list", "List the accounts", 0, 0),
		a.command("suspend ID", "Refuse every call of an account; what it has stays", 1, 1, &a.order.Name),
		a.command("resume ID", "Let a suspended account call again", 1, 1, &a.order.Name))
	group("user", "Who signs calls",
		a.policies(a.command("create NAME", "Make a user", 1, 1, &a.order.Name)),
		a.command("list", "List the users", 0, 0),
		a.command("delete NAME", "Delete a user who has no access keys", 1, 1, &a.order.Name))
	group("key", "What users sign with",
		a.command("create USER", "Make an access key for a user, or for the account itself with USER root", 1, 1, &a.order.User),
		a.importKey(),
		a.command("rotate ID", "Make a new key for the user of an old one and disable the old one", 1, 1, &a.order.Name),
		a.command("disable ID", "Take a key out of use, and with it the sessions begun with it", 1, 1, &a.order.Name),
		a.command("enable ID", "Take a key back into use", 1, 1, &a.order.Name),
		a.command("delete ID", "Delete a key for good", 1, 1, &a.order.Name),
		a.command("list", "List the keys, without their secrets", 0, 0))
	group("policy", "What users and roles may do, as documents in the language of IAM",
		a.document(a.command("put NAME FILE", "Make or replace a policy with the document in a file, - for standard input", 2, 2, &a.order.Name, &a.file), "FILE"),
		a.command("list", "List the policies", 0, 0),
		a.command("delete NAME", "Delete a policy that is attached to nobody", 1, 1, &a.order.Name),
		a.bearer(a.command("attach NAME", "Attach a policy to a user or a role", 1, 1, &a.order.Name)),
		a.bearer(a.command("detach NAME", "Detach a policy from a user or a role", 1, 1, &a.order.Name)))
	role := a.document(a.policies(a.command("create NAME", "Make a role that those whom its trust policy names can assume", 1, 1, &a.order.Name)), "--trust")
	role.Flags().StringVar(&a.file, "trust", "", "file with the trust policy, - for standard input")
	role.Flags().DurationVar(&a.order.Life, "max-session", 0, "longest session, 1h to 12h (default 1h)")
	group("role", "What users become for a while",
		role,
		a.command("list", "List the roles", 0, 0),
		a.command("delete NAME", "Delete a role; its sessions end", 1, 1, &a.order.Name))
	cmd.AddCommand(a.command("decode TEXT", "Read an encoded authorization failure message", 1, 1, &a.order.Text))
	return cmd
}

// accessCLI collects the order from flags and arguments.
type accessCLI struct {
	st     *state
	order  accessOrder
	file   string // that holds the document
	secret string // file that holds the secret of a key
	asJSON bool
}

// command returns a command whose arguments go into slots.
func (a *accessCLI) command(use, short string, least, most int, slots ...*string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.RangeArgs(least, most),
		PreRun: func(_ *cobra.Command, args []string) {
			for i, arg := range args {
				*slots[i] = arg
			}
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return a.run(cmd) },
	}
}

// run gives the order that the command's path spells.
func (a *accessCLI) run(cmd *cobra.Command) error {
	_, a.order.Verb, _ = strings.Cut(cmd.CommandPath(), " access ")
	answer, err := a.st.order(cmd.Context(), a.order)
	if err != nil {
		return err
	}
	if a.asJSON || a.order.Verb == "decode" {
		var out bytes.Buffer
		if err := json.Indent(&out, answer, "", "  "); err != nil {
			return err
		}
		_, err := out.WriteTo(cmd.OutOrStdout())
		return err
	}
	return printRows(cmd.OutOrStdout(), answer)
}

func (a *accessCLI) policies(c *cobra.Command) *cobra.Command {
	c.Flags().StringArrayVar(&a.order.Policies, "policy", nil, "policy to begin with; may be given more than once")
	return c
}

func (a *accessCLI) bearer(c *cobra.Command) *cobra.Command {
	c.Flags().StringVar(&a.order.User, "user", "", "user")
	c.Flags().StringVar(&a.order.Role, "role", "", "role")
	c.MarkFlagsOneRequired("user", "role")
	c.MarkFlagsMutuallyExclusive("user", "role")
	return c
}

// document makes a command read its document before it runs.
func (a *accessCLI) document(c *cobra.Command, from string) *cobra.Command {
	c.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if a.file == "" {
			return fmt.Errorf("name the file with the document: %s", from)
		}
		if a.order.Text, err = read(cmd, a.file); err != nil {
			return err
		}
		return a.run(cmd)
	}
	return c
}

func (a *accessCLI) importKey() *cobra.Command {
	c := a.command("import USER ID", "Make an access key with an id and a secret of your choosing, for test rigs", 2, 2, &a.order.User, &a.order.Name)
	c.Long = c.Short + ".\n\nThe secret is read from a file or from standard input, because other users of the machine can see arguments."
	c.Flags().StringVar(&a.secret, "secret-file", "-", "file with the secret, - for standard input")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		secret, err := read(cmd, a.secret)
		if err != nil {
			return err
		}
		a.order.Secret = strings.TrimRight(secret, "\r\n")
		return a.run(cmd)
	}
	return c
}

// read returns what is in a file, or comes from standard input for -.
func read(cmd *cobra.Command, file string) (string, error) {
	in := cmd.InOrStdin()
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxOrder/2))
	return string(b), err
}

// columns are what tables show, in this order, of whatever has it.
var columns = []struct{ field, title string }{
	{"account", "ACCOUNT"}, {"id", "ID"}, {"name", "NAME"}, {"user", "USER"}, {"policies", "POLICIES"},
	{"maxSession", "SECONDS"}, {"secret", "SECRET"}, {"disabled", "DISABLED"}, {"created", "CREATED"}, {"changed", "CHANGED"},
}

// printRows prints an answer as a table; nothing for one that says only that it is done.
func printRows(w io.Writer, answer json.RawMessage) error {
	var rows []map[string]any
	if err := json.Unmarshal(answer, &rows); err != nil {
		var row map[string]any
		if err := json.Unmarshal(answer, &row); err != nil {
			return err
		}
		if row == nil {
			return nil
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	var has []string
	var titles []string
	for _, c := range columns {
		for _, row := range rows {
			if _, ok := row[c.field]; ok {
				has, titles = append(has, c.field), append(titles, c.title)
				break
			}
		}
	}
	fmt.Fprintln(t, strings.Join(titles, "\t"))
	for _, row := range rows {
		cells := make([]string, len(has))
		for i, field := range has {
			switch v := row[field].(type) {
			case nil:
				cells[i] = "-"
			case []any:
				cells[i] = strings.Trim(fmt.Sprint(v), "[]")
			default:
				cells[i] = fmt.Sprint(v)
			}
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	return t.Flush()
}
