%% Prints which settings CouchDB's own code reads, from its release's beams; see `make-couchdb-settings`.
-module(couchdb_settings).
-export([main/0]).

main() ->
    [walk(forms(Beam)) || Beam <- filelib:wildcard(os:getenv("RELEASE") ++ "/lib/*/ebin/*.beam")],
    halt().

forms(Beam) ->
    case beam_lib:chunks(Beam, [abstract_code]) of
        {ok, {_, [{abstract_code, {_, Forms}}]}} -> Forms;
        _ -> []
    end.

walk({call, _, {remote, _, {atom, _, config}, {atom, _, Read}}, [{string, _, Section}, {string, _, Key} | Rest]}) ->
    io:format("~s\t~s\t~s~n", [Section, Key, Read]),
    walk(Rest);
walk(Tuple) when is_tuple(Tuple) -> walk(tuple_to_list(Tuple));
walk([Head | Tail]) ->
    walk(Head),
    walk(Tail);
walk(_) -> ok.
