// Help on exit codes and on connections

package main

import "github.com/spf13/cobra"

// topics are the help texts beside those of commands.
func topics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "exit-codes", Short: "What the exit codes say", Long: exitCodes},
		{Use: "connection", Short: "How clstr finds the NATS server and its user", Long: connection},
	}
}

const exitCodes = `Exit codes. They are stable; scripts may rely on them.

  0   done
  1   failed in a way that has no code of its own
  2   usage: an argument, a flag or a context file is wrong; nothing was done
  3   no NATS server, or no answer within --timeout
  4   no live cluster, or no stored state, under this prefix
  5   no node has the name, or the node has gone
  6   the NATS user may not do that
  7   drain: --wait is over and the node is still leaving
  8   refused: drain of the last node that takes shards (--force does it), a
      change of stored state without --yes, or of a record that has changed
  9   drain: the node has left, and calls that it had accepted were lost

If the call of request or notify fails, the exit code is its outcome:

  10  not sent        it never ran; send it again
  11  not started     it never ran; send it again
  12  maybe ran       it may have run, in part or to its end
  13  ran and failed  the handler has returned an error

Of state:

  14  nothing is stored of this key
  15  something that is stored cannot be read

With 2 to 6 nothing was sent either.

With --json an error is an object on standard error: {"error": {"code",
"message", "outcome", "hint", "exit_code"}}. code is the call's code, or one
of failed, usage, interrupted, unreachable, no_cluster, unknown_node,
unknown_kind, gone, not_permitted, unfinished, refused, lost, no_state,
no_record, bad_state, foreign, changed, in_doubt. outcome and hint may be
missing.`

const connection = `clstr finds its NATS server and user as the nats command does:

  1. A context file: --context NAME, else $NATS_CONTEXT, else the one that
     nats context select has chosen, if any. Context files are
     ~/.config/nats/context/NAME.json ($XDG_CONFIG_HOME replaces ~/.config).
     clstr reads url, user, password, token, creds, nkey, user_jwt, user_seed,
     cert, key, ca, tls_first and inbox_prefix. It refuses a context that needs
     nsc, socks_proxy, jetstream_domain or jetstream_api_prefix.
  2. The environment, which wins over the file. NATS_URL is the server;
     NATS_CERT, NATS_KEY and NATS_CA are for TLS. The user is the first of:
     NATS_CREDS (a file), NATS_USER and NATS_PASSWORD, NATS_JWT and NATS_SEED
     (their text), NATS_NKEY (a file), NATS_TOKEN.
  3. Flags, which win over both: --server, --creds.

A user from the environment or a flag replaces the file's user as a whole.
Without any of these clstr connects to nats://127.0.0.1:4222.

--prefix names the cluster: it is the Prefix of its nodes' options,
"clstr" by default.

Permissions. Replace clstr by the prefix, and NAME by the user's name:

  nodes, shards, where, plan, drain (natsstore.ControlPermissions lists them)
    publish    $KV.clstr_members.>
               $JS.API.STREAM.INFO.KV_clstr_members
               $JS.API.STREAM.MSG.GET.KV_clstr_members
               $JS.API.DIRECT.GET.KV_clstr_members
    subscribe  clstr.ev.>  clstr.ctl.> (or what --inbox-prefix says)

  request, notify, drain --probe
    publish    clstr.n.>  clstr.who
    subscribe  clstr.own  _INBOX.NAME.>
    and --inbox-prefix _INBOX.NAME, or the context's inbox_prefix

  state show, export, list, check (natsstate.LookPermissions lists them)
    publish    $JS.API.STREAM.INFO.clstr_state
               $JS.API.STREAM.INFO.clstr_inbox
               $JS.API.DIRECT.GET.clstr_state
    subscribe  clstr.sti.> (or what --inbox-prefix says)

  state import, delete: also publish clstr.d.> (natsstate.NodePermissions)

A user that may subscribe to all of _INBOX.> reads every reply in the account.

request and notify also read the number of shards and the seed from the
cluster's records. With --shards (and --seed) they do not, and the second list
is enough.`
