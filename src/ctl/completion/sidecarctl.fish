# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of sidecarctl for fish. Names come from the daemon, if it is there: a completion must
# not start it.

function __sidecarctl_sidecars
    busctl --user --no-pager status org.sidecard.Sidecars1 >/dev/null 2>&1; or return
    sidecarctl list --color=never 2>/dev/null | string match -rg '^\S+ (\S+/\S+)'
end

function __sidecarctl_apps
    __sidecarctl_sidecars | string replace -r '/.*' '' | sort -u
end

function __sidecarctl_verb
    __fish_seen_subcommand_from $argv
end

set -l verbs list status why start stop restart kill logs events wait top mode hold run show cat check doctor daemon version

complete -c sidecarctl -f
complete -c sidecarctl -l json -d 'Print JSON'
complete -c sidecarctl -l color -xa 'auto always never' -d 'Colours'
complete -c sidecarctl -s h -l help -d 'Help'

complete -c sidecarctl -n "not __sidecarctl_verb $verbs" -a list -d 'Every sidecar and how it is'
complete -c sidecarctl -n "not __sidecarctl_verb $verbs" -a status -d 'All there is to know'
complete -c sidecarctl -n "not __sidecarctl_verb $verbs" -a why -d 'Why it is as it is'
complete -c sidecarctl -n "not __sidecarctl_verb $verbs" -a start -d 'Start, and wait until ready'
complete -c sidecarctl -n "not __sidecarctl_verb $verbs" -a stop -d 'Stop, and wait until nothing is left'
complete -c sidecarctl -n "not __sidecarctl_verb $verbs" -a restart -d 'Stop, start, and wait'
complete -c sidecarctl -n "not __sidecarctl_verb $verbs" -a kill -d 'Send a signal'
complete -c sidecarctl -n "not __sidecarctl_verb $verbs" -a logs -d 'What sidecars wrote'
complete -c sidecarctl -n "not __sidecarctl_verb $verbs" -a events -d 'What happens'
complete -c sidecarctl -n "not __sidecarctl_verb $verbs" -a wait -d 'Wait until ready, stopped or settled'
complete -c sidecarctl -n "not __sidecarctl_verb $verbs" -a top -d 'What each uses'
complete -c sidecarctl -n "not __sidecarctl_verb $verbs" -a doctor -d 'What is wrong here, and what to do'
complete -c sidecarctl -n "not __sidecarctl_verb $verbs" -a mode -d 'Show or switch the mode'
complete -c sidecarctl -n "not __sidecarctl_verb $verbs" -a hold -d 'Keep up while a command runs'
complete -c sidecarctl -n "not __sidecarctl_verb $verbs" -a show -d 'Every property'
complete -c sidecarctl -n "not __sidecarctl_verb $verbs" -a cat -d 'Manifest and drop-ins'
complete -c sidecarctl -n "not __sidecarctl_verb $verbs" -a run -d 'Run a command with the sidecars of a manifest'
complete -c sidecarctl -n "not __sidecarctl_verb $verbs" -a check -d 'Check manifests'
complete -c sidecarctl -n "not __sidecarctl_verb $verbs" -a daemon -d 'Start it, or let what is installed now take over'
complete -c sidecarctl -n "__sidecarctl_verb daemon" -f -a 'ping upgrade'
complete -c sidecarctl -n "not __sidecarctl_verb $verbs" -a version -d 'Tell the version'

complete -c sidecarctl -n '__sidecarctl_verb list status why start stop restart logs events wait top mode hold show cat' -a '(__sidecarctl_apps)'
complete -c sidecarctl -n '__sidecarctl_verb status why start stop restart kill logs wait top hold show' -a '(__sidecarctl_sidecars)'
complete -c sidecarctl -n '__sidecarctl_verb check run' -F

complete -c sidecarctl -n '__sidecarctl_verb start stop restart mode events' -l no-wait -d 'Do not wait'
complete -c sidecarctl -n '__sidecarctl_verb start stop restart mode wait run daemon' -l timeout -x -d 'Wait no longer'
complete -c sidecarctl -n '__sidecarctl_verb kill' -s s -l signal -x -d 'Signal'
complete -c sidecarctl -n '__sidecarctl_verb kill' -l whom -xa 'main all' -d 'Which processes'
complete -c sidecarctl -n '__sidecarctl_verb logs' -s f -l follow -d 'Go on'
complete -c sidecarctl -n '__sidecarctl_verb logs events top' -s n -l lines -x -d 'The newest N'
complete -c sidecarctl -n '__sidecarctl_verb logs' -l since -x -d 'Not what is older'
complete -c sidecarctl -n '__sidecarctl_verb logs' -l stream -xa 'stdout stderr supervisor' -d 'One stream'
complete -c sidecarctl -n '__sidecarctl_verb logs' -l generation -x -d 'One start'
complete -c sidecarctl -n '__sidecarctl_verb logs' -s o -l output -xa 'short cat json' -d 'Format'
complete -c sidecarctl -n '__sidecarctl_verb wait' -l for -xa 'ready stopped settled' -d 'Condition'
complete -c sidecarctl -n '__sidecarctl_verb mode' -l dry-run -d 'Only print the plan'
complete -c sidecarctl -n '__sidecarctl_verb check' -l verbose -d 'Print when it would restart'
