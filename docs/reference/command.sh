for command in compare record report list describe export check predict; do
    echo "keraskip $command"
    keraskip "$command" --help
done
