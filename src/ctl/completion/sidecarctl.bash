# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of sidecarctl for bash. Names come from the daemon, if it is there: a completion must
# not start it.

_sidecarctl_names() { # app, sidecar or both
        busctl --user --no-pager status org.sidecard.Sidecars1 >/dev/null 2>&1 || return
        sidecarctl list --color=never 2>/dev/null | while read -r _ name _; do
                case $name in
                */*)
                        [ "$1" = sidecar ] || printf '%s\n' "${name%%/*}"
                        [ "$1" = app ] || printf '%s\n' "$name"
                        ;;
                esac
        done | sort -u
}

_sidecarctl() {
        local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb= verb_at=0 option= i
        local verbs='list status why start stop restart kill logs events wait top mode hold run show cat check doctor daemon version'
        local options='--json --color --help'

        # For readline "=" is a word of its own, and what comes after it is to be completed.
        if [[ $cur == = ]]; then
                option=$prev= cur=$option
        elif [[ $prev == = ]]; then
                option=${COMP_WORDS[COMP_CWORD - 2]}= cur=$option$cur
        fi

        for ((i = 1; i < COMP_CWORD; i++)); do
                [[ ${COMP_WORDS[i]} == -- && ( $verb == hold || $verb == run ) ]] && { _command_offset $((i + 1)); return; }
                [[ -z $verb && " $verbs " == *" ${COMP_WORDS[i]} "* ]] && verb=${COMP_WORDS[i]} verb_at=$i
        done

        case $verb in
        start | stop | restart) options+=' --no-wait --timeout=' ;;
        kill) options+=' --signal= --whom=main --whom=all' ;;
        logs) options+=' --follow --lines= --since= --stream=stdout --stream=stderr --stream=supervisor --generation= --output=short --output=cat --output=json' ;;
        events) options+=' --lines= --no-wait' ;;
        top) options+=' --lines=' ;;
        wait) options+=' --for=ready --for=stopped --for=settled --timeout=' ;;
        daemon) options+=' --timeout=' ;;
        hold) options='--color --help' ;;
        run) options='--color --help --timeout=' ;;
        mode) options+=' --dry-run --no-wait --timeout=' ;;
        check) options+=' --verbose' ;;
        esac

        if [[ $prev == -s && $verb == kill ]]; then
                COMPREPLY=($(compgen -W "$(kill -l | grep -o 'SIG[A-Z0-9]*' | cut -c4-)" -- "$cur"))
        elif [[ $prev == -o && $verb == logs ]]; then
                COMPREPLY=($(compgen -W 'short cat json' -- "$cur"))
        elif [[ $cur == -* ]]; then
                COMPREPLY=($(compgen -W "$options" -- "$cur"))
                [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
                COMPREPLY=("${COMPREPLY[@]#"$option"}")
        elif [[ -z $verb ]]; then
                COMPREPLY=($(compgen -W "$verbs" -- "$cur"))
        elif [[ $verb == daemon ]]; then
                COMPREPLY=($(compgen -W 'ping upgrade' -- "$cur"))
        elif [[ $verb == check || $verb == run ]]; then
                COMPREPLY=($(compgen -f -X '!*.json' -- "$cur") $(compgen -d -- "$cur"))
        elif [[ $verb == kill ]]; then
                COMPREPLY=($(compgen -W "$(_sidecarctl_names sidecar)" -- "$cur"))
        elif [[ $verb == mode && $COMP_CWORD -gt $((verb_at + 1)) ]]; then
                COMPREPLY=($(compgen -W "$(sidecarctl mode "$prev" 2>/dev/null | sed 's/^[^ ]* *//; s/ .*//')" -- "$cur"))
        elif [[ $verb == list || $verb == events || $verb == mode || $verb == cat ]]; then
                COMPREPLY=($(compgen -W "$(_sidecarctl_names app)" -- "$cur"))
        elif [[ $verb != version && $verb != doctor ]]; then
                COMPREPLY=($(compgen -W "$(_sidecarctl_names both)" -- "$cur"))
        fi
}

complete -F _sidecarctl sidecarctl
