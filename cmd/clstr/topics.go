package main

import "github.com/spf13/cobra"

// topics are what clstr help says beside the commands.
func topics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "exit-codes", Short: "What the exit codes say", Long: exitCodes},
		{Use: "connection", Short: "How clstr finds the NATS server and its user", Long: connection},
	}
}

const exitCodes = `Exit codes. They are stable; scripts may rely on them.

  0   it is done
  1   it failed in a way that has no code of its own
  2   usage: an argument, a flag or a context file is wrong; nothing was done
  3   no NATS server, or no answer within --timeout
  4   no live cluster under this prefix
  5   no node has the name, or it has gone
  6   the NATS user may not do that
  7   the node still leaves: drain has waited as long as --wait says
  8   refused: drain of the last node that takes shards (--force)
  9   the node has left, and work that it had accepted was lost: drain says how much

request and notify, when the call itself has failed, by its outcome:

  10  not sent       it never ran; send it again
  11  not started    it never ran; send it again
  12  maybe ran      it may have run, in part or to its end
  13  ran and failed the handler has returned an error

With 2 to 6 nothing was sent either.

With --json an error is an object on standard error: {"error": {"code", "message",
"outcome", "hint", "exit_code"}}. code is the call's code, or one of failed, usage,
interrupted, unreachable, no_cluster, unknown_node, gone, not_permitted,
unfinished, refused, lost. outcome and hint may be missing.`

const connection = `clstr finds its NATS server and user as the nats command does:

  1. A context file: --context NAME, else $NATS_CONTEXT, else the one that
     nats context select has chosen, if there is one. They are in
     ~/.config/nats/context/NAME.json ($XDG_CONFIG_HOME in place of ~/.config), and
     clstr knows of them: url, user, password, token, creds, nkey, user_jwt and
     user_seed, cert, key, ca, tls_first, inbox_prefix. It refuses what it cannot
     do: nsc, socks_proxy, jetstream_domain, jetstream_api_prefix.
  2. The environment, which wins over the file: NATS_URL, NATS_CREDS, NATS_USER and
     NATS_PASSWORD, NATS_NKEY, NATS_CERT, NATS_KEY, NATS_CA.
  3. Flags, which win over both: --server, --creds.

Without any of them it connects to nats://127.0.0.1:4222.

--prefix says which cluster of the account is meant: the nodes' Prefix and
SubjectPrefix, "clstr" by default.

nodes, shards, where, plan and drain read the cluster's records, in the bucket
PREFIX_members, with a user that may do what natsstore.ControlPermissions lists.
request and notify send to PREFIX.s.> and PREFIX.who, and hear PREFIX.own and
_INBOX.>. They read the number of shards and the seed from the records too, unless
--shards says it: then a client's permissions do.`
